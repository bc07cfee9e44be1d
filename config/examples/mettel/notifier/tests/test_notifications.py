import unittest
from unittest.mock import MagicMock

from notifier.email import ACCOUNT, EmailClient
from notifier.notifications import Notifications


class NotificationsTest(unittest.TestCase):
    def setUp(self):
        self.slack = MagicMock()
        self.smtp = MagicMock()
        self.server = self.smtp.return_value.__enter__.return_value
        self.notifications = Notifications(self.slack, EmailClient("mail.example.com", "secret", self.smtp))

    def test_slack(self):
        answer = self.notifications.handle({"kind": "slack", "message": "edge 7 is offline"})
        self.assertEqual(answer, {"status": 200, "body": "sent"})
        self.slack.send.assert_called_once_with("edge 7 is offline")

    def test_slack_refuses(self):
        self.slack.send.return_value = False
        answer = self.notifications.handle({"kind": "slack", "message": "edge 7 is offline"})
        self.assertEqual(answer["status"], 503)

    def test_email(self):
        answer = self.notifications.handle({
            "kind": "email", "subject": "Report", "recipient": "ops@example.com", "text": "See there",
            "html": "<p>See there</p>", "attachments": [("report.csv", "edge,hours\n7,3\n")]})
        self.assertEqual(answer["status"], 200)
        self.server.login.assert_called_once_with(ACCOUNT, "secret")
        message = self.server.send_message.call_args.args[0]
        self.assertEqual((message["To"], message["Subject"]), ("ops@example.com", "Report"))
        self.assertEqual([part.get_filename() for part in message.iter_attachments()], ["report.csv"])

    def test_what_is_missing_is_named(self):
        for notification, name in (({"kind": "pigeon"}, "pigeon"), ({"kind": "slack"}, "message"), ({}, "kind")):
            answer = self.notifications.handle(notification)
            self.assertEqual(answer, {"status": 400, "body": f"no valid {name}"})
