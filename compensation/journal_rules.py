"""What must hold in the journal's own rows; each rule finds what breaks it, as text."""

from __future__ import annotations

from typing import Final

JOURNAL_RULES: Final = {
    "A balance is the sum of its lines": """
        SELECT format('account %s holds %s, its lines add up to %s', b.account_id, b.posted,
                      coalesce(l.total, 0))
          FROM compensation_balance b
          LEFT JOIN (SELECT account_id, sum(amount_units) AS total FROM compensation_line
                      GROUP BY account_id) l ON l.account_id = b.account_id
         WHERE b.posted <> coalesce(l.total, 0)""",
    "What is held is the sum of the open holds": """
        SELECT format('account %s holds back %s, its holds add up to %s', b.account_id, b.held,
                      coalesce(h.total, 0))
          FROM compensation_balance b
          LEFT JOIN (SELECT account_id, sum(remaining_units) AS total FROM compensation_hold
                      GROUP BY account_id) h ON h.account_id = b.account_id
         WHERE b.held <> coalesce(h.total, 0)""",
    "A hold keeps what was set aside, less what was posted of it": """
        SELECT format('hold %s', h.id) FROM compensation_hold h
          LEFT JOIN (SELECT p.hold_id, sum(p.amount_units) AS total,
                            sum(p.amount_units + coalesce(l.amount_units, 0)) AS unposted
                       FROM compensation_holdpart p
                       JOIN compensation_hold o ON o.id = p.hold_id
                       LEFT JOIN compensation_line l
                         ON l.entry_id = p.entry_id AND l.account_id = o.account_id
                      GROUP BY p.hold_id) p ON p.hold_id = h.id
         WHERE coalesce(p.unposted, 0) <> 0 OR h.amount_units < coalesce(p.total, 0)
            OR h.remaining_units <> CASE h.state
                 WHEN 'open' THEN h.amount_units - coalesce(p.total, 0) ELSE 0 END""",
    "Every account has a balance, and no balance is under its floor": """
        SELECT format('account %s', a.id) FROM compensation_account a
          LEFT JOIN compensation_balance b ON b.account_id = a.id
         WHERE b.account_id IS NULL OR b.posted::numeric - b.held < b.floor""",
    "Each entry has the lines it promised, and they add up to zero": """
        SELECT format('entry %s', e.id) FROM compensation_entry e
          LEFT JOIN (SELECT entry_id, count(*) AS lines, sum(amount_units) AS total
                       FROM compensation_line GROUP BY entry_id) l ON l.entry_id = e.id
         WHERE coalesce(l.lines, 0) <> e.line_count OR coalesce(l.total, 0) <> 0""",
    "Lines stay within the asset of their entry": """
        SELECT format('entry %s, account %s', l.entry_id, l.account_id) FROM compensation_line l
          LEFT JOIN compensation_entry e ON e.id = l.entry_id
          LEFT JOIN compensation_account a ON a.id = l.account_id
         WHERE e.asset_id IS DISTINCT FROM a.asset_id OR e.id IS NULL""",
    "The head of the journal is its last entry": """
        SELECT format('entry %s', h.number) FROM compensation_journalhead h
         WHERE h.number <> (SELECT coalesce(max(id), 0) FROM compensation_entry)
            OR h.number > 0 AND h.hash <> (SELECT e.hash FROM compensation_entry e
                                            WHERE e.id = h.number)""",
    "An entry is of its month, or of the one after the last that had closed": """
        SELECT format('entry %s in %s', e.id, e.period_id) FROM compensation_entry e
          JOIN compensation_period p ON p.name = e.period_id
          CROSS JOIN LATERAL (SELECT greatest(e.effective_at, max(c.ends_at)) AS moment
            FROM compensation_period c WHERE c.last_number < e.id) at
         WHERE NOT (at.moment >= p.starts_at AND at.moment < p.ends_at)
            OR p.last_number < e.id""",
    "Months are the calendar's, and close in order": """
        SELECT format('month %s', p.name) FROM compensation_period p
          CROSS JOIN compensation_calendar c
         WHERE p.name <> to_char(p.starts_at AT TIME ZONE c.zone, 'YYYY-MM')
            OR p.starts_at <> date_trunc('month', p.starts_at AT TIME ZONE c.zone)
                              AT TIME ZONE c.zone
            OR p.ends_at <> (date_trunc('month', p.starts_at AT TIME ZONE c.zone)
                             + interval '1 month') AT TIME ZONE c.zone
            OR p.closed_at IS NOT NULL AND EXISTS (
                 SELECT FROM compensation_period o WHERE o.starts_at < p.starts_at
                  AND (o.closed_at IS NULL OR o.last_number > p.last_number))""",
    "A reversal moves what it reverses, the other way": """
        SELECT format('entry %s', e.id) FROM compensation_entry e
         WHERE e.reverses_id IS NOT NULL AND EXISTS (
           SELECT FROM (SELECT account_id, amount_units FROM compensation_line
                         WHERE entry_id = e.id) m
             FULL JOIN (SELECT account_id, amount_units FROM compensation_line
                         WHERE entry_id = e.reverses_id) w
               ON w.account_id = m.account_id AND w.amount_units = -m.amount_units
            WHERE m.account_id IS NULL OR w.account_id IS NULL)""",
    "Only conversions cross assets, each by its two entries": """
        SELECT format('entry %s', e.id) FROM compensation_entry e
          LEFT JOIN compensation_conversion c ON e.id IN (c.out_entry_id, c.in_entry_id)
          LEFT JOIN compensation_line l ON l.entry_id = e.id
           AND l.account_id = CASE e.id WHEN c.out_entry_id THEN c.from_account_id
                                        ELSE c.to_account_id END
         WHERE (e.kind = 'conversion') <> (c.id IS NOT NULL)
            OR c.id IS NOT NULL AND l.amount_units IS DISTINCT FROM
               CASE e.id WHEN c.out_entry_id THEN -c.from_units ELSE c.to_units END""",
    "What was added up by hours is the sum of the lines": """
        SELECT format('account %s', coalesce(t.account_id, l.account_id))
          FROM compensation_turnover t
          FULL JOIN (SELECT l.account_id, date_trunc('hour', e.effective_at, 'UTC') AS effective,
                            date_trunc('hour', e.posted_at, 'UTC') AS posted,
                            sum(l.amount_units) AS total
                       FROM compensation_line l JOIN compensation_entry e ON e.id = l.entry_id
                      WHERE e.id <= (SELECT number FROM compensation_turnovermark)
                      GROUP BY 1, 2, 3) l
            ON l.account_id = t.account_id AND l.effective = t.effective_hour
           AND l.posted = t.posted_hour
         WHERE coalesce(t.amount_units, 0) <> coalesce(l.total, 0)""",
    "What was added up by months is the sum of the lines": """
        SELECT format('%s in %s', coalesce(t.kind, l.kind), coalesce(t.period_id, l.period_id))
          FROM compensation_periodtotal t
          FULL JOIN (SELECT e.period_id, e.asset_id, a.kind, sum(l.amount_units) AS total,
                            sum(abs(l.amount_units)) AS moved, count(*) AS lines
                       FROM compensation_line l
                       JOIN compensation_entry e ON e.id = l.entry_id
                       JOIN compensation_account a ON a.id = l.account_id
                      WHERE e.id <= (SELECT number FROM compensation_turnovermark)
                        AND e.period_id IS NOT NULL
                      GROUP BY 1, 2, 3) l
            ON l.period_id = t.period_id AND l.asset_id = t.asset_id AND l.kind = t.kind
         WHERE (t.credited_units - t.debited_units, t.credited_units + t.debited_units,
                t.line_count) IS DISTINCT FROM (l.total, l.moved, l.lines)""",
}
