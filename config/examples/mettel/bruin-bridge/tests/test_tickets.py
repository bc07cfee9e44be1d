import unittest
from unittest.mock import MagicMock

from bruin_bridge.tickets import Tickets


class TicketsTest(unittest.TestCase):
    def tickets(self, *answers):
        self.client = MagicMock()
        self.client.get.side_effect = answers
        return Tickets(self.client)

    def test_all_open_ones_in_order(self):
        tickets = self.tickets((200, {"responses": [{"ticketID": 9}, {"ticketID": 4}]}), (404, "Not Found"),
                               (200, {"responses": [{"ticketID": 5}]}))
        answer = tickets.get_open(85940, "outage")
        self.assertEqual([ticket["ticketID"] for ticket in answer["body"]], [4, 5, 9])
        self.assertEqual(self.client.get.call_args.kwargs["TicketTopic"], "VOO")

    def test_what_bruin_refuses(self):
        answer = self.tickets((500, "Internal Server Error")).get_open(85940, "affecting")
        self.assertEqual(answer, {"status": 500, "body": "Bruin says Internal Server Error"})

    def test_an_unknown_kind_asks_nobody(self):
        self.assertEqual(self.tickets().get_open(85940, "weather")["status"], 400)
        self.client.get.assert_not_called()
