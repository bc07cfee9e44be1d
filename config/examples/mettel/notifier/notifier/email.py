"""Messages by e-mail, from the account of the automation."""

import smtplib
from email.message import EmailMessage

ACCOUNT = "automation@example.com"


def make_email(subject, recipient, text, html=None, attachments=()):
    """`attachments` are pairs of a file's name and its content as CSV."""
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = ACCOUNT
    message["To"] = recipient
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for name, content in attachments:
        message.add_attachment(content, subtype="csv", filename=name)
    return message


class EmailClient:
    def __init__(self, host, password, connect=smtplib.SMTP):
        self._host = host
        self._password = password
        self._connect = connect

    def send(self, message):
        with self._connect(self._host, 587) as server:
            server.starttls()
            server.login(ACCOUNT, self._password)
            server.send_message(message)
