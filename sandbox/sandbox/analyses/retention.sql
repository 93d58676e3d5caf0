-- Weekly retention: of those who signed up in a week, how many came in each week after
, cohorts as (
    select person, min(timestamp) as signed_up
    from events where event = 'signup completed' group by person
),
weeks as (
    select distinct person, signed_up,
        datediff('day', signed_up, timestamp) // 7 as nth
    from cohorts join events using (person) where timestamp >= signed_up
),
sizes as (
    select date_trunc('week', signed_up)::date as week, nth,
        count(distinct person) as people,
        -- a week counts once the whole cohort has had the time for it
        date_trunc('week', signed_up) + (nth + 2) * interval 7 day
            <= (select max(timestamp) from events) as over
    from weeks group by all
),
shares as (
    select week, nth, people, over,
        printf('%d %%', round(100 * people / max(people) over (partition by week))::int)
            as share
    from sizes
)
select week as "signed up in week of", max(people) as people,
    coalesce(max(share) filter (nth = 1 and over), '') as "week 1",
    coalesce(max(share) filter (nth = 2 and over), '') as "week 2",
    coalesce(max(share) filter (nth = 3 and over), '') as "week 3",
    coalesce(max(share) filter (nth = 4 and over), '') as "week 4",
    coalesce(max(share) filter (nth = 5 and over), '') as "week 5",
    coalesce(max(share) filter (nth = 6 and over), '') as "week 6"
from shares group by week order by week
