DROP TABLE history_pages;
DROP TABLE history_position;
