"""What a notification on the message bus asks for."""

from notifier.email import make_email


class NotificationError(Exception):
    """A notification that nobody can be told of."""


class Notifications:
    def __init__(self, slack, email):
        self._senders = {"slack": self._send_slack, "email": self._send_email}
        self._slack = slack
        self._email = email

    def handle(self, notification):
        """Sends it, and returns what the sender of the notification is answered."""
        try:
            sender = self._senders[notification["kind"]]
            sender(notification)
        except KeyError as error:
            return {"status": 400, "body": f"no valid {error.args[0]}"}
        except NotificationError as error:
            return {"status": 503, "body": str(error)}
        return {"status": 200, "body": "sent"}

    def _send_slack(self, notification):
        if not self._slack.send(notification["message"]):
            raise NotificationError("Slack has not taken the message")

    def _send_email(self, notification):
        self._email.send(make_email(
            notification["subject"], notification["recipient"], notification["text"],
            notification.get("html"), notification.get("attachments", ())))
