import unittest
from datetime import datetime, timezone

from last_contact_report.report import COLUMNS, make_csv, make_notification, make_rows

NOW = datetime(2019, 12, 9, 12, 0, tzinfo=timezone.utc)


def edge(name, **links):
    return {"company": "Titan America", "name": name, "serial": f"VC-{name}",
            "links": [{"interface": interface, "lastActive": last} for interface, last in links.items()]}


class ReportTest(unittest.TestCase):
    def test_the_oldest_come_first_and_what_answers_is_left_out(self):
        edges = [edge("one", GE1="2019-12-09T11:59:00Z", GE2="2019-12-07T12:00:00Z"),
                 edge("two", GE1="2019-11-09T12:00:00Z")]
        self.assertEqual([(row[2], row[4], row[6]) for row in make_rows(edges, NOW)],
                         [("two", "GE1", 30), ("one", "GE2", 2)])

    def test_a_file_has_its_columns_even_if_all_is_well(self):
        self.assertEqual(make_csv([]), ",".join(COLUMNS) + "\n")

    def test_a_company_with_a_comma_stays_one_column(self):
        row = ("2019-12-09", "Titan, Inc.", "one", "VC-one", "GE1", "2019-12-07T12:00:00+00:00", 2)
        self.assertIn('"Titan, Inc."', make_csv([row]))

    def test_the_notification(self):
        notification = make_notification([edge("two", GE1="2019-11-09T12:00:00Z")], "ops@example.com", NOW)
        self.assertEqual(notification["subject"], "Last contact report (2019-12-09)")
        self.assertEqual(notification["text"], "1 links have not been heard of for a day or more.")
        self.assertEqual(notification["attachments"][0][0], "last-contact-2019-12-09.csv")

    def test_today_is_the_default(self):
        self.assertIn(f"{datetime.now(timezone.utc):%Y}", make_notification([], "ops@example.com")["subject"])
