-- Each record says how many batches had changed anything by then; those from before do not.
ALTER TABLE audit ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
