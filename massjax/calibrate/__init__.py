"""Which trait distributions make simulated prices like given ones: a posterior over candidates. It stands above search and simulator."""
