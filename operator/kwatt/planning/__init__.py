"""The pure planner: `plan(Snapshot) -> Plan`. Import the modules, not this package."""
