"""Runs of the simulated market: agents learn, their markets are judged beside other populations, and panels of stocks are written."""
