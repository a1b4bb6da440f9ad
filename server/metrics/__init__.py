"""What `/-/metrics` tells Prometheus.

families.py   the metrics there are; docs/observability.md is made from it
counters.py   what is counted as requests end
lag.py        how late the event loop is
page.py       the page, with all that is looked up when it is asked for
"""
