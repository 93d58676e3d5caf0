"""Which functions HogQL has, of those that a reader of events needs. Names only.

From PostHog's posthog/hogql/functions: what is not there is refused by PostHog
too (`now64`, `toUnixTimestamp64Micro`, `toUInt64`, `toStartOfMillisecond` are not).
"""

from __future__ import annotations

AGGREGATES = frozenset(
    """
    any anyLast argMax argMin avg avgIf count countIf groupArray groupUniqArray max
    maxIf median min minIf quantile quantiles sum sumIf uniq uniqExact uniqIf
    """.split()  # noqa: SIM905 - words read better than quotes
)

COUNTS = frozenset({"count", "countIf", "uniq", "uniqExact", "uniqIf"})

# HogQL's name is ClickHouse's.
SAME = AGGREGATES | frozenset(
    """
    JSONExtractArrayRaw JSONExtractBool JSONExtractFloat JSONExtractInt
    JSONExtractKeys JSONExtractRaw JSONExtractString JSONExtractUInt JSONHas
    JSONLength JSONType abs addDays addHours addMinutes addMonths addSeconds
    addWeeks addYears and array arrayDistinct arrayElement arrayJoin arraySort
    assumeNotNull ceil cityHash64 coalesce concat dateAdd dateDiff dateSub dateTrunc
    divide empty endsWith equals extract floor formatDateTime fromUnixTimestamp
    fromUnixTimestamp64Milli greater greaterOrEquals greatest has hasToken if ifNull
    ilike in intDiv isNotNull isNull least left length less lessOrEquals like lower
    match minus modulo multiIf multiply negate not notEmpty notEquals notIn notLike
    nullIf or plus position replaceAll replaceRegexpAll reverse right round
    splitByChar startsWith substring subtractDays subtractHours subtractMinutes
    subtractMonths subtractSeconds subtractWeeks subtractYears timeZoneOf toBool
    toDayOfMonth toDayOfWeek toDayOfYear toHour toIntervalDay toIntervalHour
    toIntervalMinute toIntervalMonth toIntervalQuarter toIntervalSecond
    toIntervalWeek toIntervalYear toJSONString toLastDayOfMonth toMinute toMonday
    toMonth toNullable toQuarter toSecond toStartOfDay toStartOfFifteenMinutes
    toStartOfFiveMinutes toStartOfHour toStartOfISOYear toStartOfInterval
    toStartOfMinute toStartOfMonth toStartOfQuarter toStartOfSecond
    toStartOfTenMinutes toStartOfWeek toStartOfYear toString toTypeName
    toUnixTimestamp toUnixTimestamp64Milli toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss
    toYear trim tuple tupleElement upper
    """.split()  # noqa: SIM905 - words read better than quotes
)

RENAMED = {
    "date_diff": "dateDiff",
    "date_trunc": "dateTrunc",
    "lcase": "lower",
    "toFloatOrZero": "toFloat64OrZero",
    "toIntOrZero": "toInt64OrZero",
    "ucase": "upper",
}

# A cast that gives NULL instead of failing.
CASTS = {"toFloat": "Float64", "toInt": "Int64", "toUUID": "UUID"}

# These take a text with any spelling of an instant, and give NULL for what is none.
PARSED = {
    "parseDateTimeBestEffort": "parseDateTime64BestEffortOrNull",
    "toDateTime": "parseDateTime64BestEffortOrNull",
    "toDateTimeUS": "parseDateTime64BestEffortUSOrNull",
}

CLOCK = frozenset({"now", "current_timestamp"})
TODAY = {"current_date": 0, "today": 0, "yesterday": 1}

# HogQL takes these in any case.
ANY_CASE = {
    name.lower(): name
    for name in (*AGGREGATES & {"avg", "count", "max", "min", "sum"}, *CLOCK)
} | {
    name.lower(): name
    for name in ("coalesce", "concat", "if", "ifNull", "isNull", "lower", "nullIf")
}

# What gives text; toDateTime of anything else is a conversion, not a parse.
TEXTUAL = frozenset(
    """
    JSONExtractRaw JSONExtractString concat extract formatDateTime left lower
    replaceAll replaceRegexpAll right substring toString trim upper
    """.split()  # noqa: SIM905 - words read better than quotes
)
