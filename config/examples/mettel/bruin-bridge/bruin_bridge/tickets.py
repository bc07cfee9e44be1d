"""The tickets of a client's, as the monitors ask for them."""

CATEGORIES = {"outage": "VOO", "affecting": "VAS"}
OPEN_STATUSES = ("New", "InProgress", "Draft")


class Tickets:
    def __init__(self, client):
        self._client = client

    def get_open(self, client_id, kind):
        """All open tickets of that kind; what is not there any more is no error."""
        if kind not in CATEGORIES:
            return {"status": 400, "body": f"'{kind}' is no kind of ticket"}
        found = []
        for ticket_status in OPEN_STATUSES:
            status, body = self._client.get(
                "/api/Ticket", ClientId=client_id, TicketStatus=ticket_status, ProductCategory="SD-WAN",
                TicketTopic=CATEGORIES[kind])
            if status == 404:
                continue
            if status != 200:
                return {"status": status, "body": f"Bruin says {body}"}
            found.extend(body["responses"])
        return {"status": 200, "body": sorted(found, key=lambda ticket: ticket["ticketID"])}
