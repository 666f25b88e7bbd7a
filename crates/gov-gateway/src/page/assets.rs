//! What the page loads beside itself: part of the program, so it works without any network.

/// One file that the page loads.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name under `/assets/`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every file that the page loads.
pub const ALL: [Asset; 3] = [
    Asset {
        name: "gov.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("../../assets/gov.css"),
    },
    Asset {
        name: "gov.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("../../assets/gov.js"),
    },
    Asset {
        name: "gov.svg",
        media_type: "image/svg+xml",
        text: include_str!("../../assets/gov.svg"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for asset in ALL {
            let text = asset.text.replace("http://www.w3.org/2000/svg", "");
            for word in ["http:", "https:", "//cdn", "@import", "url("] {
                assert!(!text.contains(word), "{}: {word}", asset.name);
            }
        }
    }
}
