-- Lead scoring: who of those with an account, and not paying yet, to talk to first
, points as (
    select person,
        bool_or(event = 'signup completed') as signed_up,
        bool_or(event = 'purchase completed') as paying,
        count(*) filter (event in ('report created', 'report shared')) as reports,
        count(*) filter (event = 'teammate invited') as invited,
        count(*) filter (event = 'checkout started') as checkouts,
        count(*) filter (event = '$pageview'
            and properties ->> '$."$pathname"' = '/pricing') as pricing,
        datediff('day', max(timestamp), (select max(timestamp) from events)) as silent
    from events group by person
)
select person, reports, invited, checkouts, pricing, silent as "days silent",
    round((reports + 5 * invited + 8 * checkouts + 2 * pricing)
        * 0.5 ** (silent / 14.0), 1) as score
from points where signed_up and not paying
order by score desc, person limit 10
