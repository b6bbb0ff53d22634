//! A percentage split as a fixed cycle of turns, so that shares are exact and not merely likely.
//!
//! Smooth weighted round robin spreads each revision's turns evenly over a cycle as long as the
//! sum of the weights (100). Any whole number of cycles holds exactly each share, wherever it
//! starts; so any 1,000 consecutive turns do.

/// The order of turns, as indices into the weights. Empty if all weights are 0.
#[must_use]
pub(crate) fn schedule(weights: &[u8]) -> Vec<u8> {
    let total: i64 = weights.iter().map(|&weight| i64::from(weight)).sum();
    let mut credit = vec![0_i64; weights.len()];
    let mut turns = Vec::new();
    for _ in 0..total {
        for (credit, &weight) in credit.iter_mut().zip(weights) {
            *credit += i64::from(weight);
        }
        // The first of the richest, so that the order is the same everywhere.
        let mut richest = 0;
        for (index, &held) in credit.iter().enumerate() {
            if held > credit[richest] {
                richest = index;
            }
        }
        credit[richest] -= total;
        turns.push(u8::try_from(richest).unwrap_or(u8::MAX));
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn turns_are_spread_and_not_bunched() {
        assert_eq!(schedule(&[3, 1]), [0, 0, 1, 0]);
        assert_eq!(schedule(&[1, 1]), [0, 1]);
        assert_eq!(schedule(&[100]), [0; 100]);
        assert!(schedule(&[]).is_empty());
    }

    /// Percents that make 100, in up to five parts.
    fn percents() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::btree_set(1_u8..100, 0..5).prop_map(|cuts| {
            let edges: Vec<u8> = [0].into_iter().chain(cuts).chain([100]).collect();
            edges.windows(2).map(|pair| pair[1] - pair[0]).collect()
        })
    }

    proptest! {
        #[test]
        fn any_thousand_turns_hold_exactly_each_share(weights in percents(), start in 0_usize..100) {
            let turns = schedule(&weights);
            for (index, &weight) in weights.iter().enumerate() {
                let count = (start..start + 1000).filter(|at| turns[at % 100] as usize == index).count();
                prop_assert_eq!(count, usize::from(weight) * 10);
            }
        }

        #[test]
        fn two_shares_never_run_ahead_by_more_than_one_turn(percent in 1_u8..100) {
            let turns = schedule(&[percent, 100 - percent]);
            let mut first = 0.0;
            for (done, &turn) in turns.iter().enumerate() {
                first += f64::from(turn == 0);
                let due = (done + 1) as f64 * f64::from(percent) / 100.0;
                prop_assert!((first - due).abs() <= 1.0);
            }
        }
    }
}
