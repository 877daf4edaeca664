-- The embedded store. Positions are integers; 0 is before all. Times are epoch seconds.
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    expires REAL NOT NULL,
    used REAL NOT NULL,
    size INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires);
CREATE INDEX IF NOT EXISTS entries_by_use ON entries (used);

-- Kept by triggers, so that it is right for every process that writes.
CREATE TABLE IF NOT EXISTS totals (one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER, size INTEGER);
INSERT OR IGNORE INTO totals VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS entries_in AFTER INSERT ON entries BEGIN
    UPDATE totals SET entries = entries + 1, size = size + NEW.size;
END;
CREATE TRIGGER IF NOT EXISTS entries_out AFTER DELETE ON entries BEGIN
    UPDATE totals SET entries = entries - 1, size = size - OLD.size;
END;

CREATE TABLE IF NOT EXISTS marks (
    tag BLOB PRIMARY KEY,
    generation INTEGER NOT NULL,
    hard INTEGER NOT NULL,
    soft INTEGER NOT NULL,
    expires REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS marks_by_expiry ON marks (expires);

-- Where a tag was invalidated but for an ETag; goes with its mark.
CREATE TABLE IF NOT EXISTS sparings (
    tag BLOB PRIMARY KEY,
    position INTEGER NOT NULL,
    etag BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS journal (
    position INTEGER PRIMARY KEY,
    previous INTEGER NOT NULL,
    at REAL NOT NULL,
    facts BLOB NOT NULL
);

CREATE TABLE IF NOT EXISTS wide (fact BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS leases (
    instance TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    until REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS notes (
    space TEXT NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    expires REAL NOT NULL,
    PRIMARY KEY (space, key)
);
CREATE INDEX IF NOT EXISTS notes_by_expiry ON notes (expires);

CREATE TABLE IF NOT EXISTS counters (
    space TEXT NOT NULL,
    key BLOB NOT NULL,
    field BLOB NOT NULL,
    amount REAL NOT NULL,
    expires REAL NOT NULL,
    PRIMARY KEY (space, key, field)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS counters_by_expiry ON counters (expires);
