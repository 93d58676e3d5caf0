-- Lifetime value: what the people from each source have paid so far, in EUR
, people as (
    select person,
        coalesce(arg_min(properties ->> '$.utm_source', timestamp)
            filter (event = '$pageview'), 'direct') as source,
        bool_or(event = 'signup completed') as signed_up,
        coalesce(sum((properties ->> '$.revenue')::decimal(18, 2)), 0) as revenue
    from events group by person
)
select coalesce(source, 'all') as source, count(*) as people,
    count(*) filter (signed_up) as "signed up", count(*) filter (revenue > 0) as paying,
    printf('%.2f', sum(revenue)) as revenue,
    printf('%.2f', sum(revenue) / count(*)) as "per person",
    coalesce(printf('%.2f', sum(revenue) / nullif(count(*) filter (revenue > 0), 0)), '')
        as "per paying person"
from people group by grouping sets ((source), ())
order by grouping(people.source), sum(people.revenue) desc
