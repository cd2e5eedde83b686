"""What the shop sells at the start: about forty products, the documentation's among them."""

from datetime import datetime, timedelta

from handlers.testing.shop.records import Channel, Listing, Money, Product, ProductStatus
from handlers.testing.shop.stock import apportion
from handlers.testing.shop.surroundings import Surroundings

#: The ids of the documentation's examples, which work here as they stand there.
DOCUMENTED_PRODUCT = "prod_01HX4"
DOCUMENTED_ORDER = "ord_8FZ2K"

_CHANNELS = {"a": "amazon_in", "f": "flipkart", "m": "meesho", "s": "shopify"}
_CHANNEL_NAMES = {
    "amazon_in": "Amazon India",
    "flipkart": "Flipkart",
    "meesho": "Meesho",
    "shopify": "Shopify",
}

#: How much of the stock a channel gets by weight.
_WEIGHTS = {"amazon_in": 40, "flipkart": 33, "meesho": 15, "shopify": 22}

_Row = tuple[str, str, str, Money, Money, int, float, str]

#: SKU, name, category, price and cost in INR, stock, velocity in units a day, channels.
_ROWS: tuple[_Row, ...] = (
    ("BLUE-TEE-M", "Premium Cotton T-Shirt _ Blue / M", "T-Shirts", 899, 280, 143, 4.2, "afsm"),
    ("BLUE-TEE-L", "Premium Cotton T-Shirt _ Blue / L", "T-Shirts", 899, 280, 118, 3.6, "afs"),
    ("BLACK-TEE-M", "Premium Cotton T-Shirt _ Black / M", "T-Shirts", 899, 280, 96, 5.1, "afms"),
    ("WHITE-TEE-S", "Premium Cotton T-Shirt _ White / S", "T-Shirts", 849, 265, 61, 2.4, "afs"),
    ("POLO-NAVY-M", "Pique Polo _ Navy / M", "T-Shirts", 1199, 410, 88, 2.1, "afs"),
    ("POLO-OLIVE-L", "Pique Polo _ Olive / L", "T-Shirts", 1199, 410, 31, 2.2, "af"),
    ("KURTA-IND-M", "Handblock Kurta _ Indigo / M", "Ethnic Wear", 1499, 520, 140, 3.3, "afms"),
    ("KURTA-IND-L", "Handblock Kurta _ Indigo / L", "Ethnic Wear", 1499, 520, 47, 3.3, "afms"),
    ("KURTI-MUS-S", "Rayon Kurti _ Mustard / S", "Ethnic Wear", 799, 240, 210, 6.4, "fm"),
    ("SAREE-RED", "Banarasi Art Silk Saree _ Red", "Ethnic Wear", 2499, 940, 38, 1.1, "afm"),
    ("SAREE-GRN", "Chanderi Saree _ Bottle Green", "Ethnic Wear", 3299, 1380, 12, 0.9, "afs"),
    ("DUPATTA-PCH", "Phulkari Dupatta _ Peach", "Ethnic Wear", 999, 350, 74, 1.5, "ms"),
    ("JEANS-SLM-32", "Slim Fit Jeans _ Dark Wash / 32", "Jeans", 1799, 690, 155, 4.8, "afs"),
    ("JEANS-SLM-34", "Slim Fit Jeans _ Dark Wash / 34", "Jeans", 1799, 690, 20, 3.9, "afs"),
    ("DENIM-JKT-M", "Denim Jacket _ Mid Blue / M", "Jackets", 2699, 1120, 64, 0.9, "as"),
    ("SOCKS-3PK", "Ankle Socks _ Pack of 3", "Accessories", 349, 95, 464, 9.5, "afms"),
    ("CAP-BLK", "Cotton Baseball Cap _ Black", "Accessories", 499, 140, 132, 2.0, "fms"),
    ("BEDSHEET-KNG", "Jaipuri Print Bedsheet _ King", "Bedding", 1899, 760, 92, 3.1, "afm"),
    ("BEDSHEET-DBL", "Jaipuri Print Bedsheet _ Double", "Bedding", 1399, 560, 175, 4.4, "afm"),
    ("CUSHION-5PK", "Cushion Covers _ Set of 5", "Furnishing", 899, 310, 134, 2.8, "afm"),
    ("CURTAIN-7FT", "Blackout Curtain _ Grey / 7 ft", "Furnishing", 1299, 540, 58, 1.6, "afs"),
    ("TOWEL-BATH", "Bath Towel 500 GSM _ Teal", "Furnishing", 699, 250, 190, 4.0, "afms"),
    ("DHURRIE-3X5", "Handwoven Dhurrie _ 3 x 5 ft", "Furnishing", 1999, 830, 34, 0.6, "as"),
    ("COPPER-BTL", "Copper Water Bottle _ 1 L", "Kitchen", 1099, 470, 147, 3.7, "afms"),
    ("TIFFIN-SS3", "Stainless Steel Tiffin _ 3 Tier", "Kitchen", 1249, 530, 83, 2.0, "afm"),
    ("TAWA-28", "Cast Iron Tawa _ 28 cm", "Kitchen", 1599, 680, 29, 2.1, "af"),
    ("MASALA-BOX", "Masala Dabba _ 7 Bowls", "Kitchen", 949, 390, 66, 1.4, "fms"),
    ("MUG-SET6", "Ceramic Mugs _ Set of 6", "Kitchen", 1149, 430, 0, 1.7, "afs"),
    ("DIYA-12PK", "Terracotta Diyas _ Pack of 12", "Decor", 299, 80, 420, 0.02, "fms"),
    ("INCENSE-SND", "Sandalwood Incense _ 120 Sticks", "Decor", 249, 70, 310, 7.2, "fms"),
    ("LAMP-DESK", "Dimmable LED Desk Lamp _ White", "Lighting", 1349, 590, 39, 1.2, "afs"),
    ("CABLE-USBC-1M", "Braided USB-C Cable _ 1 m", "Cables", 399, 110, 365, 9.8, "afms"),
    ("CABLE-LTNG-1M", "Braided Lightning Cable _ 1 m", "Cables", 499, 140, 150, 3.5, "afs"),
    ("HDMI-2M", "HDMI Cable _ 2 m", "Cables", 349, 120, 45, 0.0, "af"),
    ("CHRG-20W", "USB-C Charger _ 20 W", "Chargers", 999, 380, 205, 6.0, "afms"),
    ("CHRG-65W", "GaN Charger _ 65 W", "Chargers", 2799, 1240, 24, 2.5, "as"),
    ("PBANK-10K", "Power Bank _ 10,000 mAh", "Chargers", 1499, 720, 120, 5.3, "afs"),
    ("EARBUDS-BLK", "Wireless Earbuds _ Black", "Audio", 1999, 850, 112, 7.4, "afs"),
    ("EARBUDS-WHT", "Wireless Earbuds _ White", "Audio", 1999, 850, 33, 5.6, "afs"),
    ("STAND-LAP", "Laptop Stand _ Aluminium", "Desk", 1699, 740, 46, 1.3, "as"),
    ("MOUSE-WL", "Wireless Mouse _ Graphite", "Desk", 799, 310, 51, 1.8, "am"),
)

_DEPARTMENTS = {
    "Apparel": {"T-Shirts", "Ethnic Wear", "Jeans", "Jackets", "Accessories"},
    "Home": {"Bedding", "Furnishing", "Kitchen", "Decor", "Lighting"},
    "Electronics": {"Cables", "Chargers", "Audio", "Desk"},
}
_SUPPRESSED = {
    ("BLUE-TEE-M", "meesho"): "Missing HSN code",
    ("CURTAIN-7FT", "flipkart"): "Main image is below 1000 x 1000 pixels",
    ("MOUSE-WL", "amazon_in"): "BIS certificate has expired",
    ("MOUSE-WL", "meesho"): "BIS certificate has expired",
}
_STATUSES = {"DENIM-JKT-M": ProductStatus.DRAFT, "HDMI-2M": ProductStatus.INACTIVE}
_HEALTH_SCORES = {"BLUE-TEE-M": 87}
_ALLOCATIONS = {"BLUE-TEE-M": {"amazon_in": 60, "flipkart": 50, "shopify": 33}}


def make_channels(at: datetime) -> list[Channel]:
    """Return the four channels, each synced some minutes ago."""
    return [
        Channel(channel, name, last_synced=at - timedelta(minutes=2 * minutes))
        for minutes, (channel, name) in enumerate(_CHANNEL_NAMES.items(), start=3)
    ]


def make_products(around: Surroundings) -> list[Product]:
    """Return the products, each changed within the last days."""
    return [_product(around, row) for row in _ROWS]


def _product(around: Surroundings, row: _Row) -> Product:
    sku, name, category, price, cogs, stock, velocity, letters = row
    channels = [_CHANNELS[letter] for letter in letters]
    department = next(d for d, categories in _DEPARTMENTS.items() if category in categories)
    age = timedelta(minutes=around.chance.randrange(60, 5000))
    return Product(
        id=DOCUMENTED_PRODUCT if sku == "BLUE-TEE-M" else around.ids.new("prod"),
        sku=sku,
        name=name.replace("_", "\N{EN DASH}"),
        category=f"{department} > {category}",
        price=price,
        cogs=cogs,
        stock=stock,
        velocity=velocity,
        health_score=_HEALTH_SCORES.get(sku, around.chance.randint(61, 98)),
        allocations=_ALLOCATIONS.get(sku) or _shares(stock, channels),
        listings={channel: _listing(around, sku, channel) for channel in channels},
        updated_at=around.now() - age,
        chosen_status=_STATUSES.get(sku, ProductStatus.LIVE),
    )


def _shares(stock: int, channels: list[str]) -> dict[str, int]:
    return apportion(stock, {channel: _WEIGHTS[channel] for channel in channels})


def _listing(around: Surroundings, sku: str, channel: str) -> Listing:
    number = around.chance.randrange(100_000, 1_000_000)
    prefix = {"amazon_in": "B0C", "flipkart": "FK", "meesho": "MS"}.get(channel, "SH")
    return Listing(f"{prefix}{number}", _SUPPRESSED.get((sku, channel)))
