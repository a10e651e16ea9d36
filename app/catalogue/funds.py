"""The insurance funds and which contract belongs to which: the FAQ's own composition (CON-5)."""

from __future__ import annotations

MAJOR = frozenset({"BTC", "ETH", "BNB"})
SEVENTY_FIVE = frozenset({
    "DOT", "LINK", "XMR", "ADA", "BCH", "EOS", "ETC", "LTC", "TRX", "XLM", "XRP",
})  # fmt: skip

COINS = (
    "AAVE", "ADA", "ATOM", "AVAX", "BCH", "BNB", "BTC", "DOGE", "DOT", "EGLD", "ETC", "ETH", "FIL",
    "GALA", "LINK", "LTC", "MANA", "NEAR", "SAND", "SOL", "THETA", "TRX", "UNI", "XLM", "XRP",
)  # fmt: skip
"""The coins with coin-margined contracts, each with a fund of its own."""

FUNDS = {
    "usdt-major": "USDT contracts of BTC, ETH, BNB",
    "usdt-75x": "USDT contracts of DOT, LINK, XMR, ADA, BCH, EOS, ETC, LTC, TRX, XLM, XRP",
    "usdt-other": "All other USDT contracts",
    "usdc": "USDC contracts",
    **{f"coin-{coin.lower()}": f"{coin}-margined contracts" for coin in COINS},
}
"""Fund id to name, in the order of their creation."""


def fund_for(symbol: str, settlement_asset: str) -> str | None:
    """The fund of a contract, by its symbol and settlement asset; None: no fund insures it."""
    if settlement_asset == "USDT":
        base = symbol.partition("_")[0].removesuffix("USDT")
        if base in MAJOR:
            return "usdt-major"
        return "usdt-75x" if base in SEVENTY_FIVE else "usdt-other"
    fund = "usdc" if settlement_asset == "USDC" else f"coin-{settlement_asset.lower()}"
    return fund if fund in FUNDS else None
