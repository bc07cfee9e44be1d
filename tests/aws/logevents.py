"""CloudWatch Logs' streams and events: pages as AWS makes them, over moto's store.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html and its
kin. Part of `logs`, which imports it.
"""

from __future__ import annotations

from typing import Any

from moto.logs.utils import EventMessageFilter

from .registry import Call, paged

EVENTS_LARGEST = 10000


def _events(call: Call, stream: Any) -> list[Any]:
    """A stream's events of the time asked for; the end is not part of it (API_GetLogEvents)."""
    start, end = call.input.get("startTime", 0), call.input.get("endTime")
    return sorted((e for e in stream.events if e.timestamp >= start
                   and (end is None or e.timestamp < end)), key=lambda e: e.timestamp)


def _shown(event: Any, **given: Any) -> dict[str, Any]:
    return {**given, "timestamp": event.timestamp, "message": event.message,
            "ingestionTime": event.ingestion_time}


def _stream_shown(stream: Any) -> dict[str, Any]:
    """moto's, without the token, which "is no longer used" (API_LogStream)."""
    shown = dict(stream.to_describe_dict())
    shown.pop("uploadSequenceToken", None)
    return {**shown, "storedBytes": 0}


def streams_page(call: Call, group: Any, refuse: Any) -> dict[str, Any]:
    """DescribeLogStreams: by name, or by the time of the last event."""
    given = call.input
    prefix, by_time = given.get("logStreamNamePrefix"), given.get("orderBy") == "LastEventTime"
    if prefix is not None and by_time:
        raise refuse("Cannot order by LastEventTime with a logStreamNamePrefix.")
    streams = [s for name, s in sorted(group.streams.items()) if name.startswith(prefix or "")]
    shown = [_stream_shown(stream) for stream in streams]
    if by_time:
        shown.sort(key=lambda s: s.get("lastEventTimestamp", 0))
    if given.get("descending"):
        shown.reverse()
    page, more = paged(shown, call, "limit", "nextToken", 50, 50, refuse)
    return {"logStreams": page, **more}


def filter_page(call: Call, group: Any, refuse: Any) -> dict[str, Any]:
    """FilterLogEvents: of all streams, or of those that are named, in the order of time."""
    given = call.input
    names, prefix = given.get("logStreamNames"), given.get("logStreamNamePrefix")
    if names and prefix is not None:
        raise refuse("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
    pattern = EventMessageFilter(given.get("filterPattern", ""))
    found = [_shown(e, logStreamName=name, eventId=str(e.event_id))
             for name, stream in sorted(group.streams.items())
             if name.startswith(prefix or "") and (not names or name in names)
             for e in _events(call, stream) if pattern.matches(e.message)]
    found.sort(key=lambda e: e["timestamp"])
    page, more = paged(found, call, "limit", "nextToken", EVENTS_LARGEST, EVENTS_LARGEST, refuse)
    return {"events": page, "searchedLogStreams": [], **more}


def events_page(call: Call, stream: Any, refuse: Any) -> dict[str, Any]:
    """GetLogEvents: there is always a next token; at the end of the stream it is the one given."""
    given, events = call.input, _events(call, stream)
    limit = given.get("limit", EVENTS_LARGEST)
    if not 1 <= limit <= EVENTS_LARGEST:
        raise refuse(f"limit must be between 1 and {EVENTS_LARGEST}")
    limit = min(limit, call.world.page_size or limit)
    token = given.get("nextToken") or ("f/0" if given.get("startFromHead") else f"b/{len(events)}")
    way, _, number = token.partition("/")
    if way not in ("f", "b") or not number.isdigit():
        raise refuse("The specified nextToken is invalid.")
    at = min(int(number), len(events))
    first, last = (at, min(at + limit, len(events))) if way == "f" else (max(at - limit, 0), at)
    return {"events": [_shown(e) for e in events[first:last]],
            "nextForwardToken": f"f/{last}", "nextBackwardToken": f"b/{first}"}
