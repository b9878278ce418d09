"""Arms probes on every line of well-known libraries and runs these libraries' own tests: nothing may change."""
