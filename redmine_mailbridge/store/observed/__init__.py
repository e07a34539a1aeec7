"""What the service has observed, for the list of conditions: certificates, alerts, and all of it in one look."""
