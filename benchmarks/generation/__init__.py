"""Made texts: what each way of making them reaches, where real texts lie, and whether they can be read."""
