"""Between the message bus and Bruin, MetTel's system of tickets and inventory."""
