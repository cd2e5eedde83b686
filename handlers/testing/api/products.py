"""The calls about products."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from handlers.testing.api.answers import Answer
from handlers.testing.api.call import Body, Call
from handlers.testing.shop.clock import iso
from handlers.testing.shop.records import Money, Product, ProductStatus
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.shop import Shop

_SETTABLE = Literal["live", "draft", "inactive"]


class ProductChanges(Body):
    """What may be changed; defaults stand for what isn't."""

    name: Annotated[str, Field(min_length=1)] = ""
    price: Annotated[Money, Field(ge=0)] = 0
    stock: Annotated[int, Field(ge=0)] = 0
    status: _SETTABLE = "live"


def list_products(shop: Shop, call: Call) -> Answer:
    """``GET /v1/products``."""
    page = call.page()
    found = shop.products.search(
        channel=call.query.get("channel"),
        status=call.choice("status", ProductStatus),
        words=call.query.get("q"),
    )
    data = [_entry(product) for product in page.of(found)]
    return Answer({"data": data, "meta": page.meta(len(found))})


def get_product(shop: Shop, call: Call) -> Answer:
    """``GET /v1/products/{id}``."""
    product = shop.products.get(call.path["id"])
    return Answer(
        {
            "id": product.id,
            "sku": product.sku,
            "name": product.name,
            "category": product.category,
            "price": product.price,
            "stock": product.stock,
            "cogs": product.cogs,
            "health_score": product.health_score,
            "channel_statuses": _channel_statuses(product),
            "images": [f"https://cdn.example.com/{product.sku.lower()}.jpg"],
            "updated_at": iso(product.updated_at),
        }
    )


def update_product(shop: Shop, call: Call) -> Answer:
    """``PATCH /v1/products/{id}``."""
    product = shop.products.get(call.path["id"])
    changes = call.body(ProductChanges)
    given = changes.model_fields_set
    if not given:
        raise RefusedError("bad_request", "Nothing to change: name, price, stock or status.")
    if "stock" in given:
        shop.inventory.update(product.sku, quantity=changes.stock)
    shop.products.change(
        product,
        name=changes.name if "name" in given else None,
        price=changes.price if "price" in given else None,
        status=ProductStatus(changes.status) if "status" in given else None,
    )
    return Answer(
        {
            "id": product.id,
            "name": product.name,
            "price": product.price,
            "stock": product.stock,
            "updated_at": iso(product.updated_at),
        }
    )


def _entry(product: Product) -> Mapping[str, object]:
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.name,
        "status": product.status,
        "price": product.price,
        "stock": product.stock,
        "health_score": product.health_score,
        "channels": product.live_channels,
        "updated_at": iso(product.updated_at),
    }


def _channel_statuses(product: Product) -> Mapping[str, Mapping[str, object]]:
    """As documented: where a listing is suppressed stands why, and otherwise its id."""
    return {
        channel: {
            "status": product.listing_status(channel),
            **(
                {"listing_id": listing.listing_id}
                if listing.suppressed is None
                else {"reason": listing.suppressed}
            ),
        }
        for channel, listing in product.listings.items()
    }
