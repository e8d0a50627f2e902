"""A deterministic simulator: one day of the whole program on a virtual clock, from one seed.

What decides is the product's own code: gateway route, dispatcher, router, retries, breaker, slots,
ledger, keeper, scheduler, runner, HTTP client. Played are the clock, chance, the wire with both
upstreams, the child process, threads, and the table in which a run's steps are remembered.
"""
