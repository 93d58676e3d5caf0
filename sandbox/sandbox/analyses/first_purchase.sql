-- First purchase: of those who signed up, who paid afterwards, how soon, and how much
, signups as (
    select customer, ts from stream
    where activity = 'signup completed' and activity_occurrence = 1
),
purchases as (
    select customer, min(ts) as ts, sum(revenue_impact) as revenue,
        arg_min(feature_json ->> '$.plan', ts) as plan
    from stream where activity = 'purchase completed' group by customer
),
checkouts as (
    select customer, max(activity_occurrence) as tries
    from stream where activity = 'checkout started' group by customer
)
select plan as "first plan", count(*) as customers,
    round(median(datediff('hour', signups.ts, purchases.ts)) / 24, 1)
        as "days after signing up",
    round(avg(tries), 1) as "checkouts each", printf('%.2f', sum(revenue)) as revenue
from signups join purchases using (customer) join checkouts using (customer)
where purchases.ts > signups.ts
group by plan order by count(*) desc, plan
