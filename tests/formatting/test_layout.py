"""What the layout looks like, and what in it is the author's choice."""
from __future__ import annotations

from textwrap import dedent

from holding import held


def same(text: str) -> None:
    """*text* is laid out already."""
    text = dedent(text).lstrip("\n")
    assert held(text) == text


def becomes(before: str, after: str) -> None:
    assert held(dedent(before).lstrip("\n")) == dedent(after).lstrip("\n")


# ── header ────────────────────────────────────────────────────────────────────────────────────────────


def test_clauses_of_a_header_stand_in_two_columns() -> None:
    becomes('''
        policy desk { version "1.0.0" language 1 mode enforce
          day starts 17:00
          stages SYS | KILL,LOSS
          idempotency keep 1d journal failure : closing continues
          closing skips LOSS unless
            worse
          strict }
        ''', '''
        policy desk {
          version    "1.0.0"
          language   1
          mode       enforce
          day starts 17:00
          stages     SYS | KILL, LOSS
          idempotency keep 1d
          journal failure: closing continues
          closing    skips LOSS unless worse
          strict
        }
        ''')


def test_a_long_list_of_stages_goes_on_below_its_first_name() -> None:
    same('''
        policy desk {
          stages  AUTHENTICATION, SCHEMATA, EXPOSURES | RISKS, ALIGNMENTS, MARKETS, SESSIONS | LOSSES,
                  VENUES
          closing faces every rule
        }
        ''')


def test_comments_in_a_header_share_a_column_and_keep_the_authors() -> None:
    same('''
        policy desk {
          closing   skips LOSS              # a sale is never trapped
          overrides tightest wins
          unlimited loss                    # another policy's business
        }
        ''')
    becomes('''
        policy desk {
          closing skips LOSS # a sale is never trapped
          overrides tightest wins
          unlimited loss      # another policy's business
        }
        ''', '''
        policy desk {
          closing   skips LOSS  # a sale is never trapped
          overrides tightest wins
          unlimited loss        # another policy's business
        }
        ''')


# ── runs of one-line items ────────────────────────────────────────────────────────────────────────────


def test_settings_below_each_other_are_a_table() -> None:
    becomes('''
        setting least : ratio = 5% within 0%..100% open "Least share"
        setting most_of_all : ratio = 40% within 0%..100% "Largest share"
        setting pause : duration = 5min "Pause"

        setting apart : ratio = 3x
        ''', '''
        setting least       : ratio    = 5%    within 0%..100%  open  "Least share"
        setting most_of_all : ratio    = 40%   within 0%..100%  "Largest share"
        setting pause       : duration = 5min  "Pause"

        setting apart : ratio = 3x
        ''')


def test_a_title_that_does_not_fit_has_its_own_line_and_its_setting_stays_in_the_table() -> None:
    becomes('''
        setting max : ratio = 40%  within 0%..100%  lower is safer  "Largest share of an agent"
        setting threshold : ratio = 1%  within 0%..100%  lower is safer  "Change of a share that is worth a plan"
        ''', '''
        setting max       : ratio = 40%  within 0%..100%  lower is safer  "Largest share of an agent"
        setting threshold : ratio = 1%   within 0%..100%  lower is safer
          "Change of a share that is worth a plan"
        ''')


def test_imports_lets_and_rules_on_one_line_are_tables() -> None:
    becomes('''
        use stdlib.kill_switch as halt (floor_equity = 600_000 USD)
        use stdlib.order_sanity as order (max_order_value = 75_000 USD, price_collar = 3%, paying_collar = 1%)
        use stdlib.loss as loss
        let sharpe = x / 3
        let pnl : ratio = y
        throttle EXEC-010 "Order rate" severity medium { deny beyond 10 orders in any 1min }
        cooldown EXEC-020 "Cooling down" severity medium { deny during 5min after last fill }
        rule A-1 { deny when x }
        ''', '''
        use stdlib.kill_switch  as halt  (floor_equity = 600_000 USD)
        use stdlib.order_sanity as order (
          max_order_value = 75_000 USD,
          price_collar    = 3%,
          paying_collar   = 1%
        )
        use stdlib.loss         as loss
        let sharpe         = x / 3
        let pnl    : ratio = y
        throttle EXEC-010 "Order rate"   severity medium { deny beyond 10 orders in any 1min }
        cooldown EXEC-020 "Cooling down" severity medium { deny during 5min after last fill }
        rule     A-1 { deny when x }
        ''')


def test_a_column_that_is_too_far_off_is_none() -> None:
    same('''
        setting max : ratio = 2
        setting max_orders_per_minute_by_strategy : count = 10
        ''')


# ── blocks ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_item_on_one_line_stays_there_if_it_fits() -> None:
    same('''
        input market { price : price above 0  bid : price }
        rule A-1 "Short" severity low { deny when x because "so" }
        test "t" { given nothing else  intent buy 1 "A"  expect allow }
        ''')
    becomes('''
        rule A-1 "A title" severity low for open, close { deny when account.equity < 100_000 USD because "so" }
        ''', '''
        rule A-1 "A title" severity low for open, close {
          deny when account.equity < 100_000 USD
          because "so"
        }
        ''')


def test_an_open_item_stays_open() -> None:
    same('''
        rule A-1 {
          deny when x
        }
        ''')
    becomes("policy p {\n}\n", "policy p { }\n")


def test_a_limit_is_measure_boundary_bound_and_breach() -> None:
    becomes('''
        limit EXP-010 "Position" severity high{
        when listed
        abs( after.position.notional )at most max of account.equity else reduce
        because "{x}" }
        ''', '''
        limit EXP-010 "Position" severity high {
          when listed,
          abs(after.position.notional) at most max of account.equity  else reduce
          because "{x}"
        }
        ''')


def test_long_limits_break_at_the_boundary_then_at_the_breach_and_brackets_open() -> None:
    same('''
        limit EXEC-070 "Orders to trades" severity medium {
          count(orders in last 1h) + count(cancels in last 1h) + 1
            at most max_order_to_trade * max(count(fills in last 1h), 1)  else deny
        }

        limit ORD-020 "Price collar" severity medium {
          abs((intent.limit_price else market.price) - market.price) at most price_collar of market.price
            else deny
        }

        limit GATE-070 "Positions in the regime" severity medium {
          count(
            p for p in positions
            where p.quantity != 0 units and (p.regime else intent.regime) == intent.regime
          ) below max_regime_positions  else deny
        }
        ''')


def test_a_long_head_goes_on_further_in_than_its_body() -> None:
    same('''
        limit RTS-040 "Order value" severity medium cites "RTS 6, article 15(1)(b); override: article 15(6)"
            overridable by role "risk-management" {
          intent.notional at most max_order_value  else deny
        }
        ''')


def test_steps_of_a_size_and_clauses_of_an_allocation_stand_in_two_columns() -> None:
    same('''
        size SIZE-010 "Entry" for unsized orders {
          start    20% of book.capital
          times    (size_base + size_slope * intent.confidence)
          at most  max_exposure - book.exposure
          at least min_ticket else deny because "below the smallest ticket of {min_ticket}"
          in margin by intent.leverage
        }

        allocate capital across strategies {
          score    40% * pnl + 60% * (1 - drawdown)
          floor    min_allocation
          scale by clamp(regime.risk, 0..1)
          freeze when (guardian.paused else false)
        }
        ''')


def test_fields_are_a_table_unless_comments_part_them() -> None:
    becomes('''
        input constraints {
          min_size : quantity within 0..unlimited neutral 0
          tick : price fresh always neutral 0 "Tick"
          margin_mode : text
        }
        input intent {
          ## Who.
          trader : text
          ## What for.
          reason_given : text
        }
        ''', '''
        input constraints {
          min_size    : quantity within 0..unlimited neutral 0
          tick        : price    fresh always neutral 0  "Tick"
          margin_mode : text
        }
        input intent {
          ## Who.
          trader : text
          ## What for.
          reason_given : text
        }
        ''')


def test_overrides_and_labels() -> None:
    becomes('''
        setting max : ratio = 10% { tighten for symbol "A" = 6%
          loosen for symbol "B" = 25% through 2026-03-31 approved by "CRO" ticket "R-4" }
        answer { SCALE_IN when x > 0,
          NEW otherwise }
        ''', '''
        setting max : ratio = 10% {
          tighten for symbol "A" = 6%
          loosen  for symbol "B" = 25% through 2026-03-31 approved by "CRO" ticket "R-4"
        }

        answer {
          SCALE_IN when x > 0,
          NEW otherwise,
        }
        ''')


# ── expressions ───────────────────────────────────────────────────────────────────────────────────────


def test_expressions_break_before_operators_the_loosest_first() -> None:
    same('''
        let opposite = count(
          e for e in entries
          where (intent.side == buy and e.direction == short)
            or (intent.side == sell and e.direction == long)
        )

        rule A-1 {
          require intent.limit_price is known
            and (intent.order_type else market) == limit
            and (intent.time_in_force else gtc) not in [ioc, fok]
        }

        let edge = if intent.side == buy then after.position.notional - committed.position.notional
          else if intent.side == sell then committed.position.notional - after.position.notional
          else 0

        let names = [
          "AAAAAAAAAAAA", "BBBBBBBBBBBBBB", "CCCCCCCCCCCCCC", "DDDDDDDDDDDDDDD", "EEEEEEEEEEEEEEEEE",
          "FFFFFFFF"
        ]

        property "the kill switch is absolute" {
          if switch KILL-010 tripped
            then abs(permitted.position.quantity) <= abs(position.quantity) and permitted.opening == 0
        }
        ''')


def test_a_tighter_chain_in_front_goes_further_in() -> None:
    same('''
        rule A-2 {
          deny when first_condition_of_all == second_condition_of_all
              and third_condition_of_all == fourth_condition_of_all
            or another_one > 3
        }
        ''')


def test_signs_brackets_and_digits_are_the_authors() -> None:
    becomes("let m = - x . y [ \"a\" ] . z * - 3 of ( account . equity ) + 0.10 - 5_000 USD + 10pp + $5\n",
            "let m = -x.y[\"a\"].z * -3 of (account.equity) + 0.10 - 5_000 USD + 10pp + $5\n")
    becomes('emit "a\\u{41}\\"" always "{ x } \\{ {y:.2}"', 'emit "a\\u{41}\\"" always "{ x } \\{ {y:.2}"\n')


# ── tests ─────────────────────────────────────────────────────────────────────────────────────────────


def test_steps_keep_to_their_times_and_times_have_a_column() -> None:
    becomes('''
        test "t" {
          given market["A"].price = 5 USD
          at 2026-01-05T15:00:00Z intent buy 1 "A"
          expect allow
          at 2026-01-05T15:00:00.5Z   intent buy 1 "A"
          order buy 1 "C" order buy 1 "C"
          at 2026-01-05T15:00:09Z
          intent buy 1 "B"
          after 5min intent sell 1 "A"
        }
        ''', '''
        test "t" {
          given market["A"].price = 5 USD
          at 2026-01-05T15:00:00Z    intent buy 1 "A"
          expect allow
          at 2026-01-05T15:00:00.5Z  intent buy 1 "A"
          order buy 1 "C"  order buy 1 "C"
          at 2026-01-05T15:00:09Z
          intent buy 1 "B"
          after 5min  intent sell 1 "A"
        }
        ''')


def test_a_table_of_a_test_has_a_row_a_line_when_it_is_long_or_the_author_says_so() -> None:
    becomes('''
        test "t" {
          each sure, verdict in [70%, allow], [69%, deny]
          each all, here, outcome in [4_500 USDT, 500 USDT, "NEW"], [4_500.01 USDT, 500 USDT, "MAX_EXPOSURE"], [0 USDT, 1 USDT, ""]
          each a in
            [1], [-10],
            [3]
        }
        ''', '''
        test "t" {
          each sure, verdict in [70%, allow], [69%, deny]
          each all, here, outcome in
            [4_500 USDT,    500 USDT, "NEW"],
            [4_500.01 USDT, 500 USDT, "MAX_EXPOSURE"],
            [0 USDT,        1 USDT,   ""]
          each a in
            [1],
            [-10],
            [3]
        }
        ''')


# ── comments and empty lines ──────────────────────────────────────────────────────────────────────────


def test_comments_stay_where_they_belong() -> None:
    becomes('''
        # top


        ## What it is for.
        policy desk { # opens
          # above a clause
          version "1"# behind it

          # at the end of the block
        } # behind the block
        # above the rule
        rule A-1 { deny when a # why a
          and b
          # alone
          and c }
        # the last word
        ''', '''
        # top

        ## What it is for.
        policy desk {  # opens
          # above a clause
          version "1"  # behind it

          # at the end of the block
        }  # behind the block

        # above the rule
        rule A-1 {
          deny when a  # why a
            and b
            # alone
            and c
        }
        # the last word
        ''')


def test_a_comment_that_goes_on_below_stays_one() -> None:
    becomes('''
        policy desk {
          closing skips EXP   # a flip is split into two:
                              # what closes, and what opens
          overrides tightest wins
        }
        ''', '''
        policy desk {
          closing   skips EXP   # a flip is split into two:
                                # what closes, and what opens
          overrides tightest wins
        }
        ''')


def test_a_comment_of_its_own_does_not_come_to_go_on_with_one_above() -> None:
    becomes('''
        allocate p across q {
          ceiling # one
          # two
          b
          scale by c
        }
        ''', '''
        allocate p across q {
          ceiling   # one
                   # two
                   b
          scale by c
        }
        ''')


def test_a_comma_that_is_added_stands_before_the_comment() -> None:
    becomes('''
        limit A-1 {
          when x  # why
          a below b else deny
        }
        ''', '''
        limit A-1 {
          when x,  # why
          a below b  else deny
        }
        ''')


def test_empty_lines_are_kept_one_at_a_time_and_part_open_blocks() -> None:
    becomes('''


        let a = 1
        let b = 2



        let c = 3
        rule A-1 {

          when a,


          deny when b

        }
        rule A-2 {
          deny when c
        }
        # of A-3
        rule A-3 { deny when a }


        ''', '''
        let a = 1
        let b = 2

        let c = 3

        rule A-1 {
          when a,

          deny when b
        }

        rule A-2 {
          deny when c
        }

        # of A-3
        rule A-3 { deny when a }
        ''')
