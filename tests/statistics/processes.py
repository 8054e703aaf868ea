"""Processes of which the stylised facts are known in closed form, several independent markets at a time."""

from __future__ import annotations

import numpy as np

ROOT_TWO_OVER_PI = np.sqrt(2 / np.pi)


def garch(rng: np.random.Generator, markets: int, ticks: int, alpha: float, beta: float, power: float = 2.0, burn: int = 200) -> np.ndarray:
    """Gaussian GARCH(1,1) of Bollerslev (power 2, of the variance) or of Taylor and Schwert (power 1, of the deviation)."""
    z = rng.normal(size=(burn + ticks, markets))
    mean = 1.0 if power == 2 else ROOT_TWO_OVER_PI
    state = np.full(markets, 1 / (1 - alpha * mean - beta))
    returns = np.empty_like(z)
    for t in range(burn + ticks):
        returns[t] = z[t] * state ** (1 / power)
        state = 1 + alpha * np.abs(returns[t]) ** power + beta * state
    return returns[burn:].T.copy()


def garch_kurtosis(alpha: float, beta: float) -> float:
    """Excess kurtosis of GARCH(1,1) with Gaussian innovations (Bollerslev 1986)."""
    return 6 * alpha**2 / (1 - (alpha + beta) ** 2 - 2 * alpha**2)


def garch_square_autocorrelation(alpha: float, beta: float, lags: np.ndarray) -> np.ndarray:
    """Autocorrelation of r² of GARCH(1,1) (Bollerslev 1988)."""
    first = alpha * (1 - alpha * beta - beta**2) / (1 - 2 * alpha * beta - beta**2)
    return first * (alpha + beta) ** (lags - 1.0)


def absolute_garch_autocorrelation(alpha: float, beta: float, lags: np.ndarray) -> np.ndarray:
    """Autocorrelation of |r| of the GARCH of power 1 (He and Teräsvirta 1999), by moments of σ' = 1 + (α|z| + β) σ."""
    m = ROOT_TWO_OVER_PI
    mean_c, square_c = alpha * m + beta, alpha**2 + beta**2 + 2 * alpha * beta * m
    mean = 1 / (1 - mean_c)
    square = (1 + 2 * mean_c * mean) / (1 - square_c)
    product = m * mean + (alpha + beta * m) * square  # E |r_0| σ_1
    products = []
    for _ in range(int(lags.max())):
        products.append(product)
        product = m * mean + mean_c * product
    covariance = m * np.array(products)[lags - 1] - (m * mean) ** 2
    return covariance / (square - (m * mean) ** 2)


def fractional_noise(rng: np.random.Generator, markets: int, ticks: int, d: float) -> tuple[np.ndarray, np.ndarray]:
    """ARFIMA(0, d, 0) by circulant embedding (Davies and Harte 1987), and its autocorrelations from lag 0 on (Hosking 1981)."""
    lags = np.arange(1, ticks + 1)
    rho = np.concatenate([[1.0], np.cumprod((lags - 1 + d) / (lags - d))])
    spectrum = np.fft.fft(np.concatenate([rho, rho[-2:0:-1]])).real
    assert spectrum.min() > 0
    size = spectrum.size
    noise = rng.normal(size=(markets, size)) + 1j * rng.normal(size=(markets, size))
    return np.fft.fft(np.sqrt(spectrum / size) * noise, axis=1).real[:, :ticks], rho


def autoregression(rng: np.random.Generator, markets: int, ticks: int, phi: float, burn: int = 100) -> np.ndarray:
    """AR(1) with autocorrelation φ^j."""
    series = rng.normal(size=(markets, burn + ticks))
    for t in range(1, burn + ticks):
        series[:, t] += phi * series[:, t - 1]
    return series[:, burn:]
