//! Load balancing: picks the pod that gets the next request.
//!
//! The pod with the fewest requests wins; ties are broken round-robin. With a limit, only pods
//! below it are candidates, so that `None` means that the request has to wait.

/// Picks an index of `loads`. `turn` is where the search starts; `limit` 0 is no limit.
#[must_use]
pub(crate) fn pick(
    loads: impl ExactSizeIterator<Item = u32> + Clone,
    limit: u32,
    turn: usize,
) -> Option<usize> {
    let count = loads.len();
    if count == 0 {
        return None;
    }
    let start = turn % count;
    let mut best: Option<(usize, u32)> = None;
    // First from `start` to the end, then from the beginning: a tie goes to the pod met first.
    let order = loads.clone().enumerate().skip(start).chain(loads.enumerate().take(start));
    for (index, load) in order {
        if limit != 0 && load >= limit {
            continue;
        }
        if load == 0 {
            return Some(index);
        }
        if best.is_none_or(|(_, least)| load < least) {
            best = Some((index, load));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(loads: &[u32], limit: u32, turn: usize, want: Option<usize>) {
        assert_eq!(pick(loads.iter().copied(), limit, turn), want);
    }

    #[test]
    fn the_least_loaded_pod_is_chosen() {
        check(&[3, 1, 2], 0, 0, Some(1));
        check(&[3, 1, 0], 0, 0, Some(2));
    }

    #[test]
    fn equals_take_turns() {
        check(&[2, 2, 2], 0, 0, Some(0));
        check(&[2, 2, 2], 0, 1, Some(1));
        check(&[0, 0, 0], 0, 5, Some(2));
        check(&[1, 2, 1], 0, 1, Some(2));
    }

    #[test]
    fn a_full_pod_is_never_chosen() {
        check(&[1, 1], 1, 0, None);
        check(&[2, 1], 2, 0, Some(1));
        check(&[5, 5], 0, 1, Some(1));
    }

    #[test]
    fn without_pods_there_is_nothing_to_choose() {
        check(&[], 0, 3, None);
    }
}
