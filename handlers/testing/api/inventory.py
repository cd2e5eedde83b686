"""The calls about stock."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from handlers.testing.api.answers import Answer
from handlers.testing.api.call import Body, Call
from handlers.testing.shop.clock import iso
from handlers.testing.shop.records import Product
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.shop import Shop
from handlers.testing.shop.stock import StockStatus


class StockChanges(Body):
    """What may be changed; defaults stand for what isn't."""

    quantity: Annotated[int, Field(ge=0)] = 0
    adjust: int = 0
    allocations: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)


def list_inventory(shop: Shop, call: Call) -> Answer:
    """``GET /v1/inventory``: all SKUs at once, as no pages are documented.

    Not documented: we assume that `summary` is about all stock, whatever the filters, as in the
    example; and that `channel` leaves out both other channels' allocations and SKUs without one.
    """
    status = call.choice("status", StockStatus)
    channel = call.query.get("channel")
    data = [
        _entry(product, channel)
        for product in shop.products.all()
        if (status is None or product.stock_status is status)
        and (channel is None or channel in product.allocations)
    ]
    return Answer({"data": data, "summary": _summary(shop.products.all())})


def update_stock(shop: Shop, call: Call) -> Answer:
    """``PATCH /v1/inventory/{sku}``."""
    product = shop.products.by_sku(call.path["sku"])
    changes = call.body(StockChanges)
    given = changes.model_fields_set
    if {"quantity", "adjust"} <= given:
        raise RefusedError("bad_request", "Give either quantity or adjust, not both.")
    if not given or (given == {"allocations"} and not changes.allocations):
        raise RefusedError("bad_request", "Nothing to change: quantity, adjust or allocations.")
    shop.inventory.update(
        product.sku,
        quantity=changes.quantity if "quantity" in given else None,
        adjust=changes.adjust if "adjust" in given else None,
        allocations=changes.allocations,
    )
    return Answer(
        {
            "sku": product.sku,
            "total_stock": product.stock,
            "allocations": product.allocations,
            "updated_at": iso(product.updated_at),
        }
    )


def _entry(product: Product, channel: str | None) -> Mapping[str, object]:
    shares = product.allocations
    return {
        "sku": product.sku,
        "total_stock": product.stock,
        "status": product.stock_status,
        "velocity": product.velocity,
        "restock_days": product.restock_days,
        "allocations": shares if channel is None else {channel: shares[channel]},
    }


def _summary(products: list[Product]) -> Mapping[str, int]:
    return {
        "total_units": sum(product.stock for product in products),
        "critical_skus": sum(product.stock_status is StockStatus.CRITICAL for product in products),
        "out_of_stock": sum(product.stock == 0 for product in products),
    }
