"""Many buyers at once by REST, each on a connection of its own, and from an address of its own."""

import asyncio
import collections
import json
import time

import shop as front

AGAIN = ("SAGA_RUNNING", "OVERLOADED", "SERVICE_UNREACHABLE", "GATEWAY_TIMEOUT", "STORE_UNAVAILABLE")
PAUSE_S = 0.2

# `answers`: what each call under the key was told, in that order, the outcome last.
Bought = collections.namedtuple("Bought", "outcome order seconds answers")


async def post(address, path, body, headers, source):
    """Status and JSON of one request from the address `source`."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
    try:
        text = json.dumps(body)
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {address}",
            f"Content-Length: {len(text)}",
            "Connection: close",
            *[f"{name}: {value}" for name, value in headers.items()],
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(answer)
    finally:
        writer.close()


async def pause():
    """What a buyer waits before asking again."""
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=PAUSE_S)


def reason_of(answer):
    """PAID, or the reason of the refusal."""
    if "state" in answer:
        return "PAID"
    return next((each["reason"] for each in answer["details"] if "reason" in each), answer["message"])


async def buy(address, product, member, source, patience_s):
    """One order, asked for under one key until its outcome is known."""
    began, answers = time.monotonic(), []
    while True:
        try:
            _, answer = await post(
                address,
                "/api/v1/orders",
                front.order_of(product, member=member),
                {"Idempotency-Key": f"{product}-{member}"},
                source,
            )
            outcome = reason_of(answer)
        except (OSError, IndexError, ValueError) as error:
            outcome, answer = f"no answer: {error}", {}
        answers.append(outcome)
        seconds = time.monotonic() - began
        if not outcome.startswith("no answer") and outcome not in AGAIN or seconds > patience_s:
            return Bought(outcome, answer.get("orderId"), seconds, answers)
        await pause()


async def all_of(address, product, members, patience_s):
    sources = [f"127.0.{1 + i // 250}.{1 + i % 250}" for i in range(members)]
    return await asyncio.gather(
        *(buy(address, product, f"m{i}", source, patience_s) for i, source in enumerate(sources))
    )


def rush(address, product, members, patience_s):
    """What became of `members` who want a piece of `product` at the same moment."""
    return asyncio.run(all_of(address, product, members, patience_s))


def counts(bought):
    return dict(collections.Counter(each.outcome for each in bought))


def percentile(bought, share):
    return sorted(each.seconds for each in bought)[min(len(bought) - 1, int(share * len(bought)))]
