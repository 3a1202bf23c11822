"""What the agent knows of tills: open baskets, requests to a till, and customers' pseudonyms."""
