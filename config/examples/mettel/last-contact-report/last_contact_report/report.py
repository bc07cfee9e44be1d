"""The report's rows, and the file that is sent."""

import csv
import io
from datetime import datetime, timezone

COLUMNS = ("Date of report", "Company", "Edge", "Serial", "Link", "Last contact", "Days since")


def parse_time(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def make_rows(edges, now):
    """One row for each link that has not been heard of for a day or more, the oldest first."""
    rows = []
    for edge in edges:
        for link in edge["links"]:
            last = parse_time(link["lastActive"])
            days = (now - last).days
            if days >= 1:
                rows.append((now.date().isoformat(), edge["company"], edge["name"], edge["serial"],
                             link["interface"], last.isoformat(), days))
    return sorted(rows, key=lambda row: (-row[-1], row[1:5]))


def make_csv(rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue()


def make_notification(edges, recipient, now=None):
    """What the notifier is asked to send."""
    now = now or datetime.now(timezone.utc)
    rows = make_rows(edges, now)
    return {
        "kind": "email",
        "subject": f"Last contact report ({now:%Y-%m-%d})",
        "recipient": recipient,
        "text": f"{len(rows)} links have not been heard of for a day or more.",
        "attachments": [(f"last-contact-{now:%Y-%m-%d}.csv", make_csv(rows))],
    }
