"""What the sensor and another tool watch at once."""

TIMES = 5


def total(prices):
    result = 0
    for price in prices:
        result += price  # P:added
    return result  # P:totalled


def busy():
    for number in range(TIMES):
        total([number, 2])
