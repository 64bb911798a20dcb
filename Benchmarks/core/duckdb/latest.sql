WITH first AS (SELECT * FROM rows QUALIFY row_number() OVER (PARTITION BY update_id ORDER BY place) = 1)
SELECT store_id, product_id, user_id, quantity, price, ts, update_id
FROM first QUALIFY row_number() OVER (PARTITION BY store_id, product_id ORDER BY ts DESC, place DESC) = 1
