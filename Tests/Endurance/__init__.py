"""Two gateways under load whose keys are replaced every second, for as long as wanted."""
