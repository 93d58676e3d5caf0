"""What a team has set up in its PostHog: the objects beside the events. Pure data.

They name each other and the people of the events, so that every join finds something.
"""
