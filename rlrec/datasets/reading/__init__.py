"""How files are read: tables, columns, layouts, times, reports."""
