//! How the event is found that a body was refused for.

/// How many events to send next, by what became of those before.
#[derive(Debug, Default)]
pub(super) struct Halves {
    /// Among so many of the next ones is one that is refused; 0 when nothing is known.
    suspects: usize,
}

impl Halves {
    /// Of the `rest` that is to be sent, so many: at least one where there is one.
    pub(super) fn next(&self, rest: usize) -> usize {
        match self.suspects {
            0 => rest,
            // One that was narrowed down to is sent once more, alone, to hear why.
            suspects => (suspects / 2).clamp(1, rest.max(1)),
        }
    }

    /// So many from the front were taken.
    pub(super) fn kept(&mut self, count: usize) {
        self.suspects = self.suspects.saturating_sub(count);
    }

    /// So many from the front were refused as a whole.
    pub(super) fn refused(&mut self, count: usize) {
        self.suspects = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives how many requests it took to find the bad one of `length` at `bad`.
    fn find(length: usize, bad: usize) -> usize {
        let (mut accepted, mut halves) = (0, Halves::default());
        for requests in 1.. {
            let count = halves.next(length - accepted);
            assert!(count >= 1 && accepted + count <= length);
            if !(accepted..accepted + count).contains(&bad) {
                accepted += count;
                halves.kept(count);
            } else if count == 1 {
                assert_eq!(accepted, bad);
                return requests;
            } else {
                halves.refused(count);
            }
        }
        unreachable!()
    }

    #[test]
    fn the_one_of_256_is_found_wherever_it_stands_in_ten_requests() {
        for length in [1, 2, 3, 7, 255, 256] {
            let most = (0..length).map(|bad| find(length, bad)).max().unwrap();
            assert!(most <= 10, "{most} requests for {length}");
        }
    }

    #[test]
    fn a_receiver_that_changes_its_mind_gets_all_the_rest_at_once() {
        let mut halves = Halves::default();
        halves.refused(8);
        assert_eq!(halves.next(20), 4);
        halves.kept(4);
        assert_eq!(halves.next(16), 2);
        halves.kept(4);
        assert_eq!(halves.next(12), 12);
    }
}
