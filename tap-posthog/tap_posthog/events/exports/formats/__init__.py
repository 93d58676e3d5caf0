"""The files of an export: Parquet and JSONLines, by column name, in any codec."""
