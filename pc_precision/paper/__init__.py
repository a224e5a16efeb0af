"What the notebooks of the paper's figures and tables share."

from .costs import (by_device, compiled_programs, cost_rows, counted_table, every_table,
                    flops, largest_batches, measured_tables, parameter_count,
                    timing_table)
from .figures import (Box, accuracy_table, acting_covariance, caption, depth_figure,
                      energy_figure, flow_chart, found_table, freezing_figure,
                      front_steps, imbalance, imbalance_table, nudging_figure,
                      plot_search, published, save_table, shares, space_table,
                      table_map, to_markdown)
from .profiles import (
    by_row, check_parameters, grid, items, larger_scale, next_profile, plan_search,
    plans, store_of)
from .style import legend_below, page_figure, save_figure, show
from .verdicts import Verdict, judge, verdict_figure, verdict_table

__all__ = [
    "Box", "Verdict", "accuracy_table", "acting_covariance", "by_device", "by_row",
    "caption", "check_parameters", "compiled_programs", "cost_rows", "counted_table",
    "depth_figure", "energy_figure", "every_table", "flops", "flow_chart",
    "found_table", "freezing_figure", "front_steps", "grid", "imbalance",
    "imbalance_table", "items", "judge", "larger_scale", "largest_batches",
    "legend_below", "measured_tables", "next_profile", "nudging_figure", "page_figure",
    "parameter_count", "plan_search", "plans", "plot_search", "published",
    "save_figure", "save_table", "shares", "show", "space_table", "store_of",
    "table_map", "timing_table", "to_markdown", "verdict_figure", "verdict_table"]
