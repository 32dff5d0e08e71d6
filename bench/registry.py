"""All benchmarks, in the order of the table. A new one is one module and one line."""

from bench import attachments, campaign, delayed, mailboxes, million
from bench.harness import Bench

BENCHES: tuple[Bench, ...] = (
    campaign.ONE_WORKER,
    campaign.TWO_WORKERS,
    campaign.POSTGRES,
    campaign.PLAIN_LOOP,
    delayed.BENCH,
    attachments.BENCH,
    million.BENCH,
    mailboxes.BENCH,
)
