"""Which names say whether more of a metric is better, and which say nothing."""

from __future__ import annotations

import pytest

from sweeper.metric_goals import mode_of

MORE = """
    accuracy val_accuracy acc val/acc_step head_accuracy top_5_accuracy acc_val auc_2 val_auc
    roc_auc_ovr mean_io_u val_mean_io_u_1 one_hot_io_u miou dice_coef f1 f1_1 f1_macro val_f2_score
    r2_score pearson_correlation concordance_correlation sensitivity_at_specificity
    precision_at_recall_3 recall@5 mAP@0.5 metrics/mAP50-95 mcc matthews_correlation_coefficient
    cosine_similarity eval/mean_reward bleu neg_mean_squared_error true_positives log_likelihood
"""
LESS = """
    loss val_loss loss_1 train_loss_epoch reconstruction_loss dice_loss accuracy_loss mape val_mape
    mae mean_absolute_percentage_error error_rate top_5_error brier_score val_brier_score log_loss
    logcosh sparse_categorical_crossentropy squared_hinge kl_divergence poisson perplexity
    fid_score wer false_positive_rate negative_log_likelihood
"""
NOTHING = """
    score val_score anomaly_score mean sum correlation distance mapper accelerate lossless my_metric
    neg_accuracy 1-accuracy val_1-auc one_minus_accuracy std_accuracy accuracy_std accuracy_gap 2 _
    at
"""


@pytest.mark.parametrize("metric", MORE.split())
def test_more_is_better(metric: str) -> None:
    assert mode_of(metric) == "max"


@pytest.mark.parametrize("metric", LESS.split())
def test_less_is_better(metric: str) -> None:
    assert mode_of(metric) == "min"


@pytest.mark.parametrize("metric", ["", *NOTHING.split()])
def test_nobody_guesses(metric: str) -> None:
    assert mode_of(metric) is None
