# The course in a container: docker build -t rlrec . && docker run --rm -p 8888:8888 rlrec
# With an NVIDIA GPU: docker build --build-arg EXTRAS=deep,gpu,lessons -t rlrec . && docker run --gpus all ...
FROM python:3.12-slim
ARG EXTRAS=deep,lessons
COPY . /tmp/rlrec
RUN pip install --no-cache-dir -c /tmp/rlrec/constraints.txt "/tmp/rlrec[$EXTRAS]" \
    && rm -r /tmp/rlrec \
    && useradd --create-home learner
USER learner
WORKDIR /home/learner
EXPOSE 8888
CMD ["rlrec", "lab", "--no-browser", "--ip", "0.0.0.0"]
