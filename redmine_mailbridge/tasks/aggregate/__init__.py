"""The task aggregate: time entries, figures, custom fields, budgets."""
