"""The base of all widgets: controls, a function of their values, a picture, a text.

The results live in an `Image` and an `HTML` trait, never in an `Output` widget. So a
notebook stores the same thing whether JupyterLab or pytest ran it, and shows a picture
where no kernel runs.

    from rlrec.viz.widgets import Lab, slider

    def returns(discount):  # compute: values of the controls -> result
        return 3 - discount + 5 * discount**2

    def draw(figure, result):  # draw on the figure given; make none of your own
        figure.subplots().bar(["return"], [result])

    controls = {"discount": slider("discount", 0.9, 0, 1, 0.05)}
    Lab("Return", controls, returns, draw, "return {:.2f}".format)
"""

import base64
import html
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import ipywidgets
import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rlrec.viz.style import theme

Result = TypeVar("Result")


def slider(
    label: str, value: float, low: float, high: float, step: float, unit: str = ""
) -> Any:
    """Slider from `low` to `high`; whole numbers if all four are.

    `unit` shows when the mouse rests on it. The picture follows the drag: the browser
    sends the next value when the last picture has arrived.
    """
    whole = all(isinstance(number, int) for number in (value, low, high, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    settings: dict[str, Any] = (
        {} if whole else {"readout_format": f".{_decimals(step)}f"}
    )
    return kind(
        value=value, min=low, max=high, step=step, **settings, **_labels(label, unit)
    )


def choice(
    label: str, options: Sequence[Any], value: Any = None, unit: str = ""
) -> Any:
    """Drop-down list; the first option is chosen if `value` is None."""
    chosen = options[0] if value is None else value
    return ipywidgets.Dropdown(
        options=list(options), value=chosen, **_labels(label, unit)
    )


def tick(label: str, value: bool = False, unit: str = "") -> Any:
    """Box to tick."""
    return ipywidgets.Checkbox(value=value, indent=False, **_labels(label, unit))


def _labels(label: str, unit: str) -> dict[str, Any]:
    tooltip = f"{label}, {unit}" if unit else label
    return {
        "description": label,
        "tooltip": tooltip,
        "style": {"description_width": "initial"},
    }


def _decimals(step: float) -> int:
    return len(f"{step:g}".partition(".")[2]) or 1


class Lab(Generic[Result]):
    """Controls, a line of text and a picture that follow every change of a control.

    - `controls`: name -> ipywidgets control with a `value`.
    - `compute(**values)`: the result; pure, so that tests and exercises can call it.
    - `draw(figure, result)`: draws on an empty Matplotlib figure, in the lessons' style
      and constrained layout.
    - `text(result)`: one short line of HTML; round its numbers, because pytest compares
      them.
    - `figsize`: inches, at 100 dots an inch.

    An error for the starting values is raised. A later one is shown in red inside the
    widget, and raised as well if the environment has `RLREC_STRICT_WIDGETS=1` (pytest
    sets it).
    """

    def __init__(
        self,
        title: str,
        controls: Mapping[str, Any],
        compute: Callable[..., Result],
        draw: Callable[[Figure, Result], object],
        text: Callable[[Result], str],
        figsize: tuple[float, float] = (7.0, 3.0),
    ) -> None:
        self.title = title
        self.controls = dict(controls)
        self.compute = compute
        self.draw = draw
        self.text = text
        self.figsize = figsize
        self.line = ipywidgets.HTML()
        self.picture = ipywidgets.Image(
            format="png", layout={"align_self": "flex-start", "max_width": "100%"}
        )
        self._paused = False
        self.update()
        for name, control in self.controls.items():
            control.description = control.description or name
            control.observe(self._on_change, names="value")
        self.box = self._assemble()

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values by name."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values: Any) -> Result:
        """Set controls by name, then compute once; returns the new result.

        Raises ValueError for a name that is no control, or a value outside a control's
        range; nothing changes then.
        """
        if unknown := sorted(set(values) - set(self.controls)):
            raise ValueError(
                f"no control {', '.join(unknown)}; there are {', '.join(self.controls)}"
            )
        before = self.values
        self._paused = True
        try:
            self._assign(values)
            self.update()
        except Exception:
            self._assign(before)
            raise
        finally:
            self._paused = False
        return self.result

    def update(self) -> None:
        """Compute and show the result for the controls' present values."""
        result = self.compute(**self.values)
        line = self.text(result)
        picture = self.render(result)
        self.result: Result = result
        self.line.value = line
        self.picture.value = picture

    def render(self, result: Result) -> bytes:
        """PNG picture of a result."""
        png = io.BytesIO()
        with mpl.rc_context(theme()):
            figure = Figure(figsize=self.figsize, dpi=100, layout="constrained")
            canvas = FigureCanvasAgg(figure)
            self.draw(figure, result)
            # savefig would draw it twice
            canvas.print_png(png)  # type: ignore[no-untyped-call]
        return png.getvalue()

    def _assign(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            control = self.controls[name]
            control.value = value
            if control.value != value:  # sliders clip in silence
                raise ValueError(
                    f"{name} = {value!r} is outside [{control.min}, {control.max}]"
                )

    def _on_change(self, _change: object) -> None:
        if self._paused:
            return
        try:
            self.update()
        except Exception as error:
            message = html.escape(f"{type(error).__name__}: {error}")
            self.line.value = (
                f'<span role="alert" style="color: #b00020">{message}</span>'
            )
            if os.environ.get("RLREC_STRICT_WIDGETS") == "1":
                raise

    def _assemble(self) -> Any:
        heading = ipywidgets.HTML(f"<b>{html.escape(self.title)}</b>")
        controls = ipywidgets.Box(
            list(self.controls.values()), layout={"flex_flow": "row wrap"}
        )
        return ipywidgets.VBox([heading, controls, self.line, self.picture])

    def __repr__(self) -> str:
        values = ", ".join(
            f"{name} {_short(value)}" for name, value in self.values.items()
        )
        return f"{self.title} ({values}): {_plain(self.line.value)}"

    def _repr_mimebundle_(self, **_kwargs: Any) -> dict[str, Any]:
        """The live widget; without a kernel its picture; without pictures its text."""
        picture = base64.b64encode(self.picture.value).decode("ascii")
        return {
            **self.box._repr_mimebundle_(),
            "text/plain": repr(self),
            "image/png": picture,
        }


def _plain(markup: str) -> str:
    """Text of a piece of HTML, on one line."""
    spaced = re.sub(r"<(?:br|/p|/div|/li|/td|/tr)[^>]*>", " ", markup)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", spaced)).split())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
