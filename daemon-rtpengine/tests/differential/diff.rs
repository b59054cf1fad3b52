//! Where two lists of lines differ.

/// Lines of the reference that others stand in place of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) reference: Vec<String>,
    pub(crate) ours: Vec<String>,
}

/// The differences, by a longest common subsequence: few and small ones.
pub(crate) fn hunks(reference: &[String], ours: &[String]) -> Vec<Hunk> {
    // common[i][j]: length of the longest common subsequence of reference[i..] and ours[j..].
    let mut common = vec![vec![0_usize; ours.len() + 1]; reference.len() + 1];
    for i in (0..reference.len()).rev() {
        for j in (0..ours.len()).rev() {
            common[i][j] = if reference[i] == ours[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut hunks = Vec::new();
    let mut current = Hunk::default();
    while i < reference.len() || j < ours.len() {
        let (left, right) = (reference.get(i), ours.get(j));
        if left == right {
            if current != Hunk::default() {
                hunks.push(std::mem::take(&mut current));
            }
            i += 1;
            j += 1;
        } else if right.is_none() || (left.is_some() && common[i + 1][j] >= common[i][j + 1]) {
            current.reference.push(reference[i].clone());
            i += 1;
        } else {
            current.ours.push(ours[j].clone());
            j += 1;
        }
    }
    if current != Hunk::default() {
        hunks.push(current);
    }
    hunks
}

#[test]
fn replaced_lines_make_one_hunk_each() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let found = hunks(&lines("a b c d e"), &lines("a x c d e f"));
    let hunk = |reference: &[&str], ours: &[&str]| Hunk {
        reference: reference.iter().map(|&l| l.to_owned()).collect(),
        ours: ours.iter().map(|&l| l.to_owned()).collect(),
    };
    assert_eq!(found, [hunk(&["b"], &["x"]), hunk(&[], &["f"])]);
    assert_eq!(hunks(&lines("a b"), &lines("a b")), []);
}
