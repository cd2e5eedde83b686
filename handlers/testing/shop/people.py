"""Customers, couriers and the numbers that marketplaces give."""

import random

from handlers.testing.shop.records import Customer

COURIERS = ("Delhivery", "Blue Dart", "Xpressbees", "Ecom Express", "Shadowfax", "DTDC")

RETURN_REASONS = (
    "Size does not fit",
    "Colour differs from the picture",
    "No longer needed",
    "Arrived damaged",
    "Does not work",
    "Wrong item received",
)

_FIRST_NAMES = (
    *("Aarav", "Aditi", "Amit", "Ananya", "Arjun", "Deepa", "Farhan", "Gurpreet", "Harish"),
    *("Imran", "Ishita", "Karthik", "Kavya", "Lakshmi", "Manish", "Meera", "Neha", "Nikhil"),
    *("Pooja", "Priya", "Rahul", "Ritu", "Rohan", "Sanjay", "Shreya", "Sunita", "Tanvi"),
    *("Vikram", "Yusuf", "Zoya"),
)
_LAST_NAMES = (
    *("Agarwal", "Banerjee", "Bhat", "Chopra", "Das", "Desai", "Fernandes", "Ghosh", "Gupta"),
    *("Iyer", "Jain", "Kapoor", "Khan", "Kulkarni", "Kumar", "Menon", "Mishra", "Nair"),
    *("Patel", "Pillai", "Rao", "Reddy", "Shah", "Sharma", "Singh", "Thomas", "Verma", "Yadav"),
)
_CITIES = (
    *("Ahmedabad", "Bengaluru", "Bhopal", "Chandigarh", "Chennai", "Coimbatore", "Delhi"),
    *("Ghaziabad", "Guwahati", "Hyderabad", "Indore", "Jaipur", "Kanpur", "Kochi", "Kolkata"),
    *("Lucknow", "Ludhiana", "Mumbai", "Mysuru", "Nagpur", "Nashik", "Patna", "Pune", "Surat"),
    *("Thane", "Vadodara", "Visakhapatnam"),
)


def customer(chance: random.Random) -> Customer:
    """Return somebody."""
    name = f"{chance.choice(_FIRST_NAMES)} {chance.choice(_LAST_NAMES)}"
    return Customer(name, chance.choice(_CITIES))


def awb(chance: random.Random) -> str:
    """Return a tracking number, 12 digits like the documented one."""
    return str(chance.randrange(100_000_000_000, 1_000_000_000_000))


def channel_order_id(chance: random.Random, channel: str) -> str:
    """Return a number as the channel writes it; that of Amazon is documented."""
    seven = [f"{chance.randrange(10**7):07}" for _ in range(2)]
    numbers = {
        "amazon_in": f"{chance.choice((171, 402, 403, 404, 405, 406, 407, 408))}-{'-'.join(seven)}",
        "flipkart": f"OD4{''.join(seven)}000",
        "meesho": f"{seven[0]}{seven[1][:5]}_1",
        "shopify": f"#{chance.randrange(1000, 100_000)}",
    }
    return numbers.get(channel, f"{channel}-{seven[0]}")
