-- Windows of arrival time differ from run to run: what must not differ is how many bids they hold together.
SELECT bidder, count(*) AS bid_count FROM bid GROUP BY bidder
