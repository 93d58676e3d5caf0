-- Conversion funnel: how many people get how far, each step after the one before
, firsts as (
    select person,
        min(timestamp) as visited,
        min(timestamp) filter (event = 'signup completed') as signed_up,
        min(timestamp) filter (event in ('report created', 'file uploaded')) as used,
        min(timestamp) filter (event = 'checkout started') as checkout,
        min(timestamp) filter (event = 'purchase completed') as paid
    from events group by person
),
steps as (
    select person, true as a, signed_up is not null as b,
        b and used > signed_up as c, c and checkout > signed_up as d,
        d and paid > checkout as e
    from firsts
),
counts as (
    select unnest([1, 2, 3, 4, 5]) as nth,
        unnest(['visited', 'signed up', 'used it', 'went to checkout', 'paid']) as step,
        unnest([count(*), count(*) filter (b), count(*) filter (c),
            count(*) filter (d), count(*) filter (e)]) as people
    from steps
)
select step, people,
    printf('%.1f %%', 100.0 * people / max(people) over ()) as "of all",
    coalesce(printf('%.1f %%', 100.0 * people / lag(people) over (order by nth)), '')
        as "of the step before"
from counts order by nth
