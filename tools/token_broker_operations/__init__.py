"""What operators watch: alarms and a dashboard, made from the codes of the errors."""
